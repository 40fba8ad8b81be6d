"""What values look like on the lead, on the wire and when compared, a module per kind (R9-R18).

Functions take Arrow text columns; the lead's are without blanks, which are no values and always fine.
"""
