"""Where an adapter lies on the device: layout, images, filling and turns."""
