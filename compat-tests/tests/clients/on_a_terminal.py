"""hatop on a terminal of 40 lines: it shows the servers, changes screens, and ends."""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp("hatop", ["hatop", "-s", sys.argv[1], "-i", "1"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
seen = b""


def wait_for(name, pattern):
    """Waits until the terminal has shown it since the last time."""
    global seen
    end = time.time() + 20
    while time.time() < end and not re.search(pattern, seen):
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    print(name + ":", "shown" if re.search(pattern, seen) else "not shown: %r" % seen[-400:])
    seen = b""


wait_for("servers", rb"(?s)s1.*s2.*s3")
for key in (b"2", b"3", b"4", b"\x1b1"):
    os.write(terminal, key)
    wait_for("screen", rb"\x1b")
os.write(terminal, b"q")
end = time.time() + 20
while time.time() < end:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        print("exit:", os.waitstatus_to_exitcode(status))
        break
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            os.read(terminal, 65536)
        except OSError:
            pass
else:
    os.kill(pid, 9)
