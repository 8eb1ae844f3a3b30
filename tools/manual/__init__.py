"""The manual: a site from the repository's own Markdown, the reference made from the types, pictures of a real call.

It must never hold text of the manual: that stands in ``docs/``, where code hosts show it too.
"""
