"""Frozen networks trained on other images, and critics that judge by what they see."""
