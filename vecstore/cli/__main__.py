from vecstore.cli import program

program()
