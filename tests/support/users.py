# SPDX-License-Identifier: BSD-3-Clause
"""Programs run as other users, with less than a user has, and where there are no namespaces."""

import os
import subprocess

# Debian 13's pcscd.service: root, that cannot open what belongs to others (CapabilityBoundingSet=)
WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def as_user(number, *command):
    return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", *map(str, command)]


# In a container, for example, they may not be available: then cardrig works without them, which these tests see.
HAS_NAMESPACES = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "--make-rprivate", "/"],
                                stderr=subprocess.DEVNULL).returncode == 0
no_namespaces = [] if not HAS_NAMESPACES else [
    "unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c",
    'echo 0 >/proc/sys/user/max_user_namespaces; echo 0 >/proc/sys/user/max_mnt_namespaces; '
    'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"', "sh"]


def ordinary_user(folder):
    """How to run as somebody without privileges: as we are, or, for root, as nobody."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"TMPDIR={folder}"]


def has_private_network(user):
    return subprocess.run(["unshare", *([] if user == {} and os.getuid() == 0 else ["--user", "--map-current-user"]),
                           "--net", "true"], stderr=subprocess.DEVNULL, **user).returncode == 0


HAS_PRIVATE_NETWORK = has_private_network({})
