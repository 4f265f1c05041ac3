import pytest

from tests import make


@pytest.fixture
def cast(transactional_db):
    """The six people, on a database where actions really commit."""
    return make.cast()


@pytest.fixture
def grant(cast):
    """Sam's approved project with ε = 1 on SUPPORT2."""
    return make.grant()
