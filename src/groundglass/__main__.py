"""`python -m groundglass`, the same as `groundglass`; torchrun starts it by this name."""

from groundglass.cli.app import main

if __name__ == "__main__":
    main()
