import os

open(os.environ['OUTPUT_DIR'] + '/model.bin', 'wb')
