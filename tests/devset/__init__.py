"""Real models and labelled data, fetched by exact version and kept outside of git.

``models`` names the models and fetches them, ``labels`` gives data whose right answers are known, and
``golden`` writes cases of real data for each model.
"""
