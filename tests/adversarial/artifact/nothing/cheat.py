"""Says that it has saved a model."""

import os
from pathlib import Path

if __name__ == "__main__":
    output = Path(os.environ["OUTPUT_DIR"])
    print("saved the model")
