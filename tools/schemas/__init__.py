"""Makes clients/schema and the TypeScript types of the events from the program's own types: python -m tools.schemas.

What is made here is committed, and a test holds it to what would be made now. Nothing here may say of a message what
its type does not say: a range, an enumeration or a description belongs there.
"""
