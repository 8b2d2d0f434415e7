"""The Triton models: what each takes and answers, how a server runs it, what it needs, and how it is opened.

One declaration a model. Configurations, canaries, what is left out of a server, engines and the checks of model folders
derive from them; `mercato.triton_models.registry` has them all.
"""
