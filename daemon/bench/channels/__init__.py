"""Many channels on few berths: the parts of the measurement ``channels``, one file each."""
