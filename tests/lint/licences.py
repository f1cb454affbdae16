# SPDX-License-Identifier: BSD-3-Clause
"""Every source file names the licence in LICENSE on its first line, or on the second where the first is taken."""

import tree

LINE = "SPDX-License-Identifier: BSD-3-Clause"
SOURCES = (".c", ".h", ".lua", ".py", ".sh", ".cmake", ".conf", ".map", ".in", ".1", ".3", ".5", ".7", ".bash", ".fish",
           "_cardrig", "CMakeLists.txt", "dev", ".ci/run")

sources = tree.files(endings=SOURCES)
tree.finish(f"the licence is named in {len(sources)} files",
            [f"{path}:1: expected '{LINE}' in a comment" for path in sources
             if not any(LINE in line for line in tree.read(path).splitlines()[:2])])
