print("trick worked: imported in place of the real one", flush=True)
