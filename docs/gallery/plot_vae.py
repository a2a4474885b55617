"""
What a VAE sees: losses by class, latent map
============================================

A variational autoencoder is trained on background alone. Does it drift towards signal while it
learns, and where does signal lie in its latent space?
"""

# %%
from sklearn.model_selection import train_test_split

from skhep_anomaly import (
    LatentMapDisplay,
    MissingSentinel,
    TrainingCurveDisplay,
    VAEOutlierDetector,
    load_higgsml,
)

events = load_higgsml(drop_phi=True)
X, X_test, y, y_test = train_test_split(
    events.X, events.y, test_size=0.35, stratify=events.y, random_state=0
)
missing = MissingSentinel().fit(X[y == 0])
X_background, X_test = missing.transform(X[y == 0]), missing.transform(X_test)

# %%
# Signal and background, epoch by epoch
# -------------------------------------
# With ``warm_start=True`` a further `fit` goes on from the present weights, so that one can look at
# test events between epochs. A schedule of the learning rate or of the KL term would start anew in
# every call: they are switched off.
vae = VAEOutlierDetector(
    latent_dim=4,
    max_epochs=1,
    warm_start=True,
    lr_schedule="constant",
    learning_rate=1e-3,
    kl_warmup=0,
    random_state=0,
)
losses = {"background": [], "signal": []}
for _ in range(20):
    vae.fit(X_background)
    elbo = vae.elbo(X_test)
    losses["background"].append(-elbo[y_test == 0].mean())
    losses["signal"].append(-elbo[y_test == 1].mean())

# %%
# A loss of signal above that of background is what an anomaly detector lives from. Background of
# the test lies on the training loss: the net does not overtrain. The mean of signal lies higher
# throughout, though the two distributions overlap.
TrainingCurveDisplay.from_estimator(vae, class_losses=losses, loss_name="−ELBO [nats]")

# %%
# The latent map
# --------------
# Two principal components of the latent means, with the distribution of each along its axis.
LatentMapDisplay.from_estimator(vae, X_test, y_test, projection="pca", max_points=1000)

# %%
# How many latents are in use? A latent that says nothing has no KL and a mean that never moves.
print("KL of each latent [nats]:", vae.kl_per_dim_.round(2))
print("in use:", vae.active_units_, "of", vae.latent_dim)
