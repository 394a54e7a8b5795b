"""The folder that holds the one bundle which a device runs, and the one before it.

``folder`` says what lies where, ``change`` updates it and rolls back; spec/STORE.md section 4 is
their contract.
"""
