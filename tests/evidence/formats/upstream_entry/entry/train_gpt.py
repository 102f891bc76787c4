# trains, evaluates, prints val_bpb
