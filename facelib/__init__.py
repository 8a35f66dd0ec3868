"""facelib: face verification with the circle loss, shown in eight notebooks."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up chatter is not for a notebook
