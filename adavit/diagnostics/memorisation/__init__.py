"""Does a generator repeat its training images?"""
