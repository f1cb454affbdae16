# SPDX-License-Identifier: BSD-3-Clause
"""The subjects of the last commits have at most 72 characters. A shallow clone has fewer commits: those, then."""

import subprocess
import sys

import tree

LAST = 100
SUBJECT_MAX = 72

log = subprocess.run(["git", "-c", "safe.directory=*", "log", f"-{LAST}", "--no-merges", "--format=%h %s"],
                     cwd=tree.ROOT, capture_output=True, text=True)
if log.returncode != 0:
    print(f"lint: commit subjects were not checked: {log.stderr.splitlines()[0]}")
    sys.exit()
commits = [line.split(" ", 1) for line in log.stdout.splitlines()]
tree.finish(f"commit subjects are short enough: of the last {len(commits)}",
            [f"commit {commit}: the subject has {len(subject)} characters, expected at most {SUBJECT_MAX}: {subject}"
             for commit, subject in commits if len(subject) > SUBJECT_MAX])
