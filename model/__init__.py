"""EarlyMed's domain: an image comes in, an honest answer comes out. Needs neither Flask nor TensorFlow to import."""
