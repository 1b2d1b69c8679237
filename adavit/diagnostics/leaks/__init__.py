"""Do augmentations show in generated images?"""
