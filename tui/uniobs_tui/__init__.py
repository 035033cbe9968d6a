"""The terminal UI: one screen over ps, strace, tcpdump, netstat and the dead, with time to step back in.

``main.run`` is the command. What knows guests and time has no Textual in it (session, worker, sources);
widgets only show what a worker's thread has asked for them.
"""
