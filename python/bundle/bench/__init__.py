"""Time the predictors of all languages in this process, side by side with what they are compared with."""
