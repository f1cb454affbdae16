# SPDX-License-Identifier: BSD-3-Clause
"""Programs to test Ctrl-C with, for python3 -c."""


IN_A_TERMINAL = """
import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
out = b""
while b"ready" not in out: out += os.read(fd, 100)
os.write(fd, b"\\x03")
try:
    while True: out += os.read(fd, 100)
except OSError: pass
print(out.count(b"caught"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
COUNTS_INTERRUPTS = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("ready", flush=True)
signal.sigwait([signal.SIGINT])
print("caught", flush=True)
if signal.sigtimedwait([signal.SIGINT], 0.3): print("caught", flush=True)
sys.exit(5)
"""
