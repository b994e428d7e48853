"""Runs a program at a terminal of its own, shows what it prints there, and ends as it does.

    terminal.py [--interrupt TEXT] PROGRAM ARGUMENT…

With `--interrupt`, Ctrl-C is typed once the program has printed the text.
"""

import os
import pty
import sys


def main(arguments):
    text = None
    if arguments[0] == "--interrupt":
        text, arguments = arguments[1].encode(), arguments[2:]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(arguments[0], arguments)
    shown = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:
            break
        if not some:
            break
        shown += some
        if text and text in shown:
            os.write(terminal, b"\x03")
            text = None
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    sys.exit(code)


main(sys.argv[1:])
