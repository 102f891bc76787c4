"""Pages for a browser: one file each, which asks for nothing from anywhere.

``page`` frames what others draw, ``blocks`` draws the blocks of any report, ``pictures`` draws
pictures, ``report`` is the page of one verification.
"""
