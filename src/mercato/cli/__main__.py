"""`python -m mercato.cli`: the command `mercato`, with the Python that runs this."""

from mercato.cli.main import main

main()
