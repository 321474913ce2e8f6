"""All benchmarks, one after the other."""

from benchmarks import client_read

if __name__ == "__main__":
    client_read.main()
