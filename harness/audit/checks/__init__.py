"""The rules of an audit, a module for each kind of question."""
