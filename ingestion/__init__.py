"""bytes -> text -> chunks. Plain values in and out; never imports vecstore."""
