# shm/: what it builds and what that links
