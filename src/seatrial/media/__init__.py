"""What pictures and videos may be, whoever looks at them: a workload at loading, a server at its door, a model.

    types       what a file is by its first bytes
    bounds      how large a picture or a frame may be, and a JPEG that would take minutes
    container   a video's file, opened so that it can name no other, and its moving pictures

Nothing here loads Pillow or PyAV before it is given a file that needs them.
"""
