"""The engine without a file: all in this process's memory, and gone when it is closed."""
