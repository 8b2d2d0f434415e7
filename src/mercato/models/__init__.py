"""The networks, each in a folder of its own: what they read and write, their files, and the stages they are."""
