"""The store: verified bundles by their identity, with names, versions and tags that lead to them.

``reference`` finds, ``install`` adds, ``change`` removes and tags, ``registry`` lists; spec/STORE.md is
their contract.
"""
