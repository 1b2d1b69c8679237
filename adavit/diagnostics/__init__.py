"""Diagnoses of a run on few images: copies of training images, augmentations that leak, what the discriminator sees.

Each compares generated images with real ones, carries its protocol, and is no score: it says what it cannot tell.
"""
