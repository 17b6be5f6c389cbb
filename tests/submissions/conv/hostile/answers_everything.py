"""A module whose __getattr__ answers every name, with something that answers every call."""


class All(dict):
    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        return self

    def __missing__(self, key):
        return self


def __getattr__(name):
    return All()
