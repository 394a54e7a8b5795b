"""The same question to the predictors of all languages, through their `bundle-predict` programs.

Nothing here imports a library, so that the command line knows the languages at once.
"""

LANGUAGES = ("python", "rust", "go", "cpp")
