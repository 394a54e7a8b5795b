"""Real models and labelled data, fetched by exact version and kept outside of git.

``models`` names the models and fetches or makes them, ``labels`` gives data whose right answers are known,
``golden`` writes cases of real data for each model, and ``calibration`` other data to quantize with.
"""
