"""Masked patch prediction (Dosovitskiy et al. 2021, arXiv:2010.11929, appendix B.1.2): corruption, targets, head."""
