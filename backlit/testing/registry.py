"""x"""


def check_primitive(): ...
