"""`python -m autograder`, the same as `deepgrade`."""

from autograder.cli import main

if __name__ == "__main__":
    main()
