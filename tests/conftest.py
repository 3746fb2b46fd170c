from hypothesis import settings

# a busy machine is no fault of the code under test
settings.register_profile("shoal", deadline=None)
settings.load_profile("shoal")
