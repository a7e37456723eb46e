"""Function transformations: gradients, directional derivatives, Jacobians, graphs, costs."""

from backlit.transforms.forward import jvp as jvp
from backlit.transforms.inspection import Cost as Cost
from backlit.transforms.inspection import Work as Work
from backlit.transforms.inspection import cost as cost
from backlit.transforms.inspection import trace as trace
from backlit.transforms.jacobian import hessian as hessian
from backlit.transforms.jacobian import hvp as hvp
from backlit.transforms.jacobian import jacfwd as jacfwd
from backlit.transforms.jacobian import jacobian as jacobian
from backlit.transforms.jacobian import jacrev as jacrev
from backlit.transforms.jit import jit as jit
from backlit.transforms.reverse import grad as grad
from backlit.transforms.reverse import value_and_grad as value_and_grad
from backlit.transforms.reverse import vjp as vjp
