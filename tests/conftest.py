from hypothesis import settings

# examples may take long on a busy machine
settings.register_profile("shoal", deadline=None)
settings.load_profile("shoal")
