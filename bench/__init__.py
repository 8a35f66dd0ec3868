"""Speed and memory of facelib beside what people would use instead: ``python -m bench``, or ``make bench``.

Not part of facelib: nothing there imports this, and the packages of the others are in requirements.txt alone.
"""
