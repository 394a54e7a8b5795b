"""Find the first node whose output differs between two ways of running a model, and why.

A way is a program of one of the languages, or a model file in this process; with options of its own. The
line is: `ways` (what is compared), `execute` (how a way answers), `views` (graphs whose nodes are visible),
`search` (the first tensor that differs), `region` (the nodes that make it), `cause` (why), `write`.
"""
