from vecstore.cli import main

main()
