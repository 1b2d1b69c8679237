"""One pass of the networks: random streams, generated images, the discriminator behind the augmentation."""
