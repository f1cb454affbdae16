# SPDX-License-Identifier: BSD-3-Clause
"""The subjects of commits have at most 72 characters.

Checked are the last 100, of a shallow clone those that it has.
"""

import subprocess
import sys

import tree

LAST = 100
SUBJECT_MAX = 72


def git(*arguments):
    return subprocess.run(["git", "-c", "safe.directory=*", *arguments], cwd=tree.ROOT, capture_output=True, text=True)


log = git("log", f"-{LAST}", "--no-merges", "--format=%h %s", "HEAD")
if log.returncode != 0:
    print(f"lint: commit subjects were not checked: {log.stderr.splitlines()[0]}")
    sys.exit()
commits = [line.split(" ", 1) for line in log.stdout.splitlines()]
tree.finish(f"commit subjects are short enough: of {len(commits)} commits",
            [f"commit {commit}: the subject has {len(subject)} characters, expected at most {SUBJECT_MAX}: {subject}"
             for commit, subject in commits if len(subject) > SUBJECT_MAX])
