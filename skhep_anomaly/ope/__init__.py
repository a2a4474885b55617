"""(1+ε)-class classification and the samplers of its pseudo-anomalies."""

from skhep_anomaly.ope.adversarial import AdversarialMargins, adversarial_margin
from skhep_anomaly.ope.baselines import SemiSupervisedAEClassifier
from skhep_anomaly.ope.classifier import OPEClassifier
from skhep_anomaly.ope.samplers import (
    DeepSampler,
    FlowSampler,
    GaussianMixtureSampler,
    HMCSampler,
    MixtureSampler,
    PseudoAnomalySampler,
    RMSPropSampler,
    SwapSampler,
    UniformSampler,
)

__all__ = [
    "AdversarialMargins",
    "DeepSampler",
    "FlowSampler",
    "GaussianMixtureSampler",
    "HMCSampler",
    "MixtureSampler",
    "OPEClassifier",
    "PseudoAnomalySampler",
    "RMSPropSampler",
    "SemiSupervisedAEClassifier",
    "SwapSampler",
    "UniformSampler",
    "adversarial_margin",
]
