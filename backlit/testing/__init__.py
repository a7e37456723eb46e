"""Checks for derivatives: of your functions, and of every primitive of the engine."""

from backlit.testing.gradients import GradientCheckError as GradientCheckError
from backlit.testing.gradients import check_grads as check_grads
from backlit.testing.primitives import PrimitiveError as PrimitiveError
from backlit.testing.primitives import check_primitive as check_primitive
from backlit.testing.report import GradientReport as GradientReport
from backlit.testing.report import gradient_report as gradient_report
