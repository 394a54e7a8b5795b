"""The command line: one module per command, with ``add_arguments(parser)`` and ``run(arguments) -> int``.

Nothing here imports a library at its top, so that ``--help`` answers at once; a command imports what it
needs when it runs.
"""
